"""An S3 server on loopback with a bucket `cache`, until standard input ends.

Prints its address. With the word `strict` it asks for credentials, and prints the keys of two users,
each with what the manual gives to whom: `release` and `pull-request`.
"""

import json
import logging
import sys

import boto3
from moto import settings
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)

BUCKET = "arn:aws:s3:::cache"
READ = ["s3:GetObject"]
WRITE = ["s3:PutObject", "s3:AbortMultipartUpload"]


def allow(actions, *resources):
    return {"Effect": "Allow", "Action": actions, "Resource": list(resources)}


POLICIES = {
    "release": [
        allow(["s3:ListBucket"], BUCKET),
        allow(READ + WRITE, BUCKET + "/*/v1/main/*"),
    ],
    "pull-request": [
        allow(["s3:ListBucket"], BUCKET),
        allow(READ, BUCKET + "/*/v1/main/*"),
        allow(READ + WRITE, BUCKET + "/*/v1/pr-*"),
    ],
}


def add_user(iam, name, statements):
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="cache", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    print(name, key["AccessKeyId"], key["SecretAccessKey"], flush=True)


def main():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    access = {
        "endpoint_url": f"http://{host}:{port}",
        "region_name": "us-east-1",
        "aws_access_key_id": "nobody",
        "aws_secret_access_key": "nothing",
    }
    boto3.client("s3", **access).create_bucket(Bucket="cache")
    print(f"{host}:{port}", flush=True)
    if "strict" in sys.argv:
        iam = boto3.client("iam", **access)
        for name, statements in POLICIES.items():
            add_user(iam, name, statements)
        settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    print("ready", flush=True)
    sys.stdin.read()


main()
