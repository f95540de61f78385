"""What AWS must allow for the platform to work: data, one statement and one reason at a time.

`lake`, `jobs`, `serving`, `container` and `people` hold the statements; `catalogue` says which
policy each belongs to. `needs` reads a declaration, `policy` writes the policies that it needs,
`stack` the CloudFormation template deploy/cloudformation/iam.yaml. A new call of boto3 needs its
line here, then `make iam`; mlops_assets_tests/deploy/test_needed_permissions.py holds it.

Not here: any call to AWS, and infrastructure other than roles and policies.
"""
