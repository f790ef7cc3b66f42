"""What the HTTP server's worker loads: the application, made from the environment of the process."""

import os

from web.app import create_app
from web.settings import WebSettings

app = create_app(WebSettings.from_environment(os.environ))
