"""What a person asks for: typed parts, words with minus signs, the request, and the vector that it becomes."""
