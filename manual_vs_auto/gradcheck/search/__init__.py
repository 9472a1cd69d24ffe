"""Where a fault may hide beyond the sample: points, cotangents, shapes, properties."""
