# SPDX-License-Identifier: GPL-2.0
"""What the end-to-end tests share: namespaces, programs, packets, counters."""
