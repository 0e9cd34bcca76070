"""Data sets of any kind of sample, their partition into shards, and batched augmentation."""
