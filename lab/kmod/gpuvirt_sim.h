/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A simulation of vendors' GPU drivers: what its parts know of each other.
 */
#ifndef GPUVIRT_SIM_H
#define GPUVIRT_SIM_H

#include <linux/list.h>
#include <linux/mdev.h>
#include <linux/pci.h>

/**
 * struct sim_type - a type of vGPU
 * @number: as sysfs has it, in decimal
 * @name: in NVIDIA's form, whose last word ends in the size in GiB and a
 *	letter for the series
 * @framebuffer: MiB
 * @heads: displays
 * @frl: frames a second
 * @resolution: of a display, at most
 */
struct sim_type {
	unsigned int number;
	const char *name;
	unsigned int framebuffer;
	unsigned int heads;
	unsigned int frl;
	const char *resolution;
};

#define SIM_NR_TYPES 4
extern const struct sim_type sim_types[SIM_NR_TYPES];

const struct sim_type *sim_type_find(unsigned int number);

struct sim_card;

/**
 * struct sim_vgpu - a vGPU that exists
 * @entry: in the card's list
 * @card: whose memory it is in
 * @function: the PF or VF that it is made on
 * @type: its type
 * @start: where it lies in the card's memory, MiB
 */
struct sim_vgpu {
	struct list_head entry;
	struct sim_card *card;
	struct pci_dev *function;
	const struct sim_type *type;
	unsigned int start;
};

int sim_card_check(void);
struct sim_card *sim_card_get(struct pci_dev *function);
void sim_card_put(struct sim_card *card);
unsigned int sim_card_max(const struct sim_type *type);
unsigned int sim_card_room(struct sim_card *card, struct pci_dev *function,
			   const struct sim_type *type);
struct sim_vgpu *sim_card_make(struct sim_card *card, struct pci_dev *function,
			       const struct sim_type *type);
void sim_card_remove(struct sim_vgpu *vgpu);

struct sim_vgpu *sim_parent_make(struct mdev_type *mtype);
unsigned int sim_parent_room(struct mdev_type *mtype);
const struct sim_type *sim_parent_type(struct mdev_type *mtype);

extern struct mdev_driver sim_mdev_driver;
extern struct pci_driver sim_parent_driver;
extern struct pci_driver sim_vendor_driver;
extern struct pci_driver sim_pf_driver;

#endif
