# A platform's base image with what the packages need from the distribution, and none of them.
ARG BASE
FROM ${BASE}
ARG FAMILY
COPY needs install_needs.sh ca-bundle.pem use-archive archive /omnibuild/
RUN /bin/sh /omnibuild/use-archive /omnibuild/archive
RUN clean=yes /bin/sh /omnibuild/install_needs.sh "${FAMILY}"
