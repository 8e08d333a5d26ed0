"""The theory: theorems of the paper, the mean field, what they predict, and how that compares."""
