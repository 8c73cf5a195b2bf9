"""What several commands share: options, tables, records, progress."""
