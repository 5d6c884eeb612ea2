"""The judge: views of the sky, features of a network that no loss uses, distances between sets of skies."""
