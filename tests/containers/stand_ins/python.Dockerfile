# Debian's Python where the official image has its own.
FROM contextvision-test/bookworm
RUN ln -s /usr/bin/python3 /usr/local/bin/python
# Certificates and an index of packages for machines that need their own; both may be empty.
COPY ca.crt pip.conf /etc/contextvision-test/
RUN cat /etc/contextvision-test/ca.crt >> /etc/ssl/certs/ca-certificates.crt
ENV PIP_CONFIG_FILE=/etc/contextvision-test/pip.conf
CMD ["python3"]
