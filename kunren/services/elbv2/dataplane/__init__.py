"""Load balancers as Envoy's resources: pure translation, from what the store holds to plain fragments.

`balancer.resources` is the whole of one load balancer; `matching` has conditions, `routing` rules and actions,
`listening` listeners, `answers` what the load balancer says itself, `targets` target groups and endpoints. Here AWS's
words meet Envoy's, and nowhere else.
"""
