"""What a person looks at: duplicates, contact sheets and the report."""
