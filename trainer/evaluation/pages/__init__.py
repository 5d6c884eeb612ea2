"""What is written: tables, figure, sheets."""
