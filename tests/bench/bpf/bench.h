/* SPDX-License-Identifier: GPL-2.0 */
/* What the benchmark's programs share: the little of libbpf's headers that they need. */
#ifndef BENCH_H
#define BENCH_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#define SEC(name) __attribute__((section(name), used))
#define INLINE inline __attribute__((always_inline))

/* A map's declaration is read from its type. */
#define __uint(name, number) int (*name)[number]
#define __type(name, what) what *name
#define __array(name, what) what *name[]

#define be16(number) __builtin_bswap16(number)

static void *(*const map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static __u64 (*const jiffies)(void) = (void *)BPF_FUNC_jiffies64;
static __u32 (*const processor)(void) = (void *)BPF_FUNC_get_smp_processor_id;
static long (*const redirect)(__u32 interface, __u64 flags) = (void *)BPF_FUNC_redirect;
static long (*const adjust_head)(struct xdp_md *ctx, int delta) = (void *)BPF_FUNC_xdp_adjust_head;

/* The sixteen bits of a sum in ones' complement. */
static INLINE __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

#endif
