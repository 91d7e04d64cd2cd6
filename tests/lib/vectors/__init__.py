# SPDX-License-Identifier: GPL-2.0
"""Packet vectors: what they are written in (`shapes`), what they say (`vector`), and where they run (`lab`)."""
