"""Image data sets, their partition into shards, and batched augmentation."""
