# SPDX-License-Identifier: GPL-2.0
"""Scripts of packets: what they are written in (`language`, `segment`), and how they are played (`player`)."""
