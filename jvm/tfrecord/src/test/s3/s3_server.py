"""An S3 in a process of its own: moto's, with one bucket. `python s3_server.py BUCKET`.

It ends with its standard input, so that it never outlives the process that started it.
"""

import logging
import sys

import boto3
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs each request
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
endpoint = f"http://{host}:{port}"
client = boto3.client(
    "s3",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="any",
    aws_secret_access_key="any",
)
client.create_bucket(Bucket=sys.argv[1])
print("S3 is at", endpoint, flush=True)
sys.stdin.read()
server.stop()
