"""alltrain: fits and judges models on a workstation."""
