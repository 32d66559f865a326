"""Service Connect: services of a namespace reach each other by names and ports of their own, through proxies."""
