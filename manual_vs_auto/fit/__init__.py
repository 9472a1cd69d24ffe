"""The optimum of softmax(Wx + b) on features of any kind: `python -m manual_vs_auto.fit`, and what it is made of."""
