"""The showpiece drill: ten domains, each redirected by what the document says, asked from three places."""
