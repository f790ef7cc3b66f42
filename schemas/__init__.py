"""The words: records, messages, topics, states and codes; no input or output happens here."""
