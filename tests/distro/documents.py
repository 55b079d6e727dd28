"""Small documents that tests change by replacing and adding lines."""

WORKLOAD = """\
document: feedback-pipeline-workload
version: 1
data:
  name: Web
  description: A web server
  maintainer: web-sig
  labels: [web]
"""
ENVIRONMENT = """\
document: feedback-pipeline-environment
version: 1
data:
  name: Minimal
  description: Little
  maintainer: web-sig
  repositories: [distro]
  packages: [glibc-minimal-langpack]
  labels: [web]
"""
REPOSITORY = """\
document: feedback-pipeline-repository
version: 2
data:
  name: Distro
  description: Some
  maintainer: web-sig
  source:
    repos:
      base:
        baseurl: https://example.org/$basearch/
    releasever: 9
    architectures: [x86_64, aarch64]
"""
