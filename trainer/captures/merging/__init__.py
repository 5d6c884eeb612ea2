"""Exposure brackets to one linear HDR picture: grouping, registration, response, merge."""
