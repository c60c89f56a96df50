"""The models' providers: any server that speaks OpenAI's protocol. Clients for text and images, and
what comes back, checked and brought into one form."""
