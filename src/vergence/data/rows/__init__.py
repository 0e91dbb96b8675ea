"""What a manifest is made of: rows as Arrow columns, their checks, order, digests and subsets."""
