"""Networks: architectures, loss and loading of weights."""
