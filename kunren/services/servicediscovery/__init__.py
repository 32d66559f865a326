"""AWS Cloud Map: namespaces, services and their instances, by name in DNS and by call."""
