"""Any `torch.nn.Module` as a generator."""
