"""A finished model on a dataset that it never saw: `alltrain evaluate`.

Labels are matched (matching.py), patients that the model was fitted on are refused (seen.py), every cell is
called as the device would call it (judging.py), and what differs from the training patches is told
(shift.py). Nothing is fitted on the new cells.
"""
