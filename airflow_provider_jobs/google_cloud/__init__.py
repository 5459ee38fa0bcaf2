"""What the services of Google Cloud share: connections, clients, errors, logs, and the forms of arguments.

It knows no single service; a backend names its own words to it.
"""
