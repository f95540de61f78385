"""IAM in front of this machine's AWS: a proxy that lets through what the templates' roles may.

`operations` reads an HTTP request, `grants` says which permissions it needs, `roles` whether a
role of the templates has them, `credentials` whose request it is, `proxy` answers or passes it on.
`unused` is what the tests never needed, and why that is as it should be.
"""
