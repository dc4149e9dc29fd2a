# SPDX-License-Identifier: Apache-2.0
"""The search's index as staff see it: filled, followed, made anew beside the one in use, used again by the next start."""
import signal

from harness import PlainTest, Server, new_key, wait_until
