"""What training says of an epoch."""

from manual_vs_auto.runs.display import Metrics, Words


def words(epochs: int) -> Words:
    """How a run of so many epochs is told."""
    return Words("epoch", epochs, epoch_line, _now)


def epoch_line(metrics: Metrics) -> str:
    """One line for a person."""
    width = len(str(metrics["epochs"]))
    line = (
        f"epoch {metrics['epoch']:>{width}}/{metrics['epochs']}  loss {metrics['loss']:.4f}, "
        f"test {metrics['test_loss']:.4f}  accuracy {metrics['test_accuracy']:.2%}  "
        f"{metrics['images_per_second']:>9,.0f} images/s  {metrics['seconds_left']:.1f} s left"
    )
    if "val_loss" in metrics:
        line += f"  val {metrics['val_loss']:.4f}, {metrics['val_accuracy']:.2%}"
    if "agreed_steps" in metrics:
        line += f"  agreed at {metrics['agreed_steps']:,} of {metrics['steps']:,} steps"
    return line


def _now(metrics: Metrics) -> str:
    """Loss, accuracy and images a second."""
    rate = f"{metrics['images_per_second']:,.0f} images/s"
    return f"loss {metrics['loss']:.4f}  accuracy {metrics['test_accuracy']:.2%}  {rate}"
