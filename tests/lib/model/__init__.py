# SPDX-License-Identifier: GPL-2.0
"""A random walk through packets and configurations (`walk`), and what should come of each step (`reference`)."""
