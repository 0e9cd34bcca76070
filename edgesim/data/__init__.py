"""What the devices learn from: image data sets, their partition into shards, and batched augmentation."""
