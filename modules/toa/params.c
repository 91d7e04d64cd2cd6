// SPDX-License-Identifier: GPL-2.0
/* The module parameter that is a text: module! of the kernel crate knows numbers only. */
#include <linux/moduleparam.h>

extern char toa_kinds[256];
char toa_kinds[256];
module_param_string(kinds, toa_kinds, sizeof(toa_kinds), 0444);
MODULE_PARM_DESC(kinds, "TCP options that name a client, as kind/length; default 254/8 254/20 253/20 200/8");
