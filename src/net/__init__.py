"""Networks: architectures, loss and loading of weights. Only here, in training and in the forward pass lives MindSpore."""
