# The action's image: Python, the signer and the libraries of its lock, and nothing to build with.
# Without BuildKit's own syntax: act and older runners build without it.
FROM python:3.13-slim-trixie AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python3 -m venv --without-pip /opt/signer
COPY requirements/runtime.txt /build/
RUN python3 -m venv /build/venv \
 && /build/venv/bin/pip --python /opt/signer/bin/python3 install --quiet \
      --no-deps --require-hashes --only-binary :all: --no-compile -r /build/runtime.txt
COPY signer /build/signer
COPY entrypoint.py /opt/signer/entrypoint.py
# Byte code that is valid whatever the time stamps: half of the start-up time otherwise.
RUN site="$(/opt/signer/bin/python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
 && cp -R /build/signer "$site/signer" \
 && printf '#!/opt/signer/bin/python3 -I\nfrom signer.cli import main\nmain()\n' > /opt/signer/bin/signer \
 && chmod 755 /opt/signer/bin/signer \
 && find "$site" -type d -name tests -prune -exec rm -rf {} + \
 && find /opt/signer/bin -type f ! -name signer -delete \
 && rm -rf /opt/signer/include /opt/signer/.gitignore \
 && /opt/signer/bin/python3 -m compileall -q --invalidation-mode unchecked-hash "$site"

FROM python:3.13-slim-trixie

LABEL org.opencontainers.image.title="policy-audit-signer" \
      org.opencontainers.image.description="Sign policy audits with keys nobody can copy"
# Nothing that installs software stays: what the image runs is what the lock names.
RUN find / -xdev -type d \( -path '*-packages/pip' -o -path '*-packages/pip-*' -o -name ensurepip \) \
      -prune -exec rm -rf {} + \
 && rm -rf /usr/bin/pip* /usr/local/bin/pip* /usr/share/python-wheels
COPY --from=build /opt/signer /opt/signer
# The official base comes without byte code of Python's own library, which a run would compile anew
# each time; importing all of the signer leaves it, of what is needed, in the image.
RUN /opt/signer/bin/python3 -I -c "import pkgutil, signer; [__import__(m.name) for m in pkgutil.walk_packages(signer.__path__, 'signer.')]"
# Plugins would be looked for in all packages at each start; there are none.
ENV PATH=/opt/signer/bin:$PATH PYDANTIC_DISABLE_PLUGINS=__all__
# -I: neither the workspace, which is foreign, nor PYTHON* variables decide what is imported.
ENTRYPOINT ["/opt/signer/bin/python3", "-I", "/opt/signer/entrypoint.py"]
