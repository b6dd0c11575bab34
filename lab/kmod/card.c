// SPDX-License-Identifier: GPL-2.0
/*
 * The card: a PF and its VFs, whose vGPUs share one memory.
 *
 * A vGPU lies at a multiple of its own size. All vGPUs of a card have one
 * size, whatever their series, unless sizes may be mixed. A VF is one vGPU at
 * most.
 */
#include <linux/kref.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "gpuvirt_sim.h"

static unsigned int memory = 4096;
module_param(memory, uint, 0444);
MODULE_PARM_DESC(memory, "memory of each card, in MiB (default: 4096)");

static bool mixed;
module_param(mixed, bool, 0444);
MODULE_PARM_DESC(mixed, "whether the vGPUs of a card may differ in size (default: N)");

struct sim_card {
	struct list_head entry;
	struct kref ref;
	struct pci_dev *pf;
	struct list_head vgpus;
};

/* Guards the list of cards and, as they are few, each card's vGPUs. */
static DEFINE_MUTEX(cards_lock);
static LIST_HEAD(cards);

/* Refuse a memory that the largest type doesn't fit into. */
int sim_card_check(void)
{
	int i;

	for (i = 0; i < SIM_NR_TYPES; i++) {
		if (sim_types[i].framebuffer > memory) {
			pr_err("%s: memory=%u: a %s needs %u\n", KBUILD_MODNAME,
			       memory, sim_types[i].name,
			       sim_types[i].framebuffer);
			return -EINVAL;
		}
	}
	return 0;
}

/* Give the card that a function is part of, or NULL without memory. */
struct sim_card *sim_card_get(struct pci_dev *function)
{
	struct pci_dev *pf = pci_physfn(function);
	struct sim_card *card;

	mutex_lock(&cards_lock);
	list_for_each_entry(card, &cards, entry) {
		if (card->pf == pf) {
			kref_get(&card->ref);
			goto out;
		}
	}
	card = kzalloc(sizeof(*card), GFP_KERNEL);
	if (!card)
		goto out;
	kref_init(&card->ref);
	card->pf = pci_dev_get(pf);
	INIT_LIST_HEAD(&card->vgpus);
	list_add(&card->entry, &cards);
out:
	mutex_unlock(&cards_lock);
	return card;
}

static void card_release(struct kref *ref)
{
	struct sim_card *card = container_of(ref, struct sim_card, ref);

	list_del(&card->entry);
	mutex_unlock(&cards_lock);
	pci_dev_put(card->pf);
	kfree(card);
}

void sim_card_put(struct sim_card *card)
{
	kref_put_mutex(&card->ref, card_release, &cards_lock);
}

/* Say how many vGPUs of a type an empty card holds. */
unsigned int sim_card_max(const struct sim_type *type)
{
	return memory / type->framebuffer;
}

static bool is_free(struct sim_card *card, unsigned int start, unsigned int end)
{
	struct sim_vgpu *vgpu;

	list_for_each_entry(vgpu, &card->vgpus, entry)
		if (start < vgpu->start + vgpu->type->framebuffer &&
		    vgpu->start < end)
			return false;
	return true;
}

/* Tell whether a function may have one more vGPU, of this size. */
static bool may_have(struct sim_card *card, struct pci_dev *function,
		     const struct sim_type *type)
{
	struct sim_vgpu *vgpu;

	list_for_each_entry(vgpu, &card->vgpus, entry) {
		if (!mixed && vgpu->type->framebuffer != type->framebuffer)
			return false;
		if (function->is_virtfn && vgpu->function == function)
			return false;
	}
	return true;
}

/* Count the places for a type, and give the first one's start. */
static unsigned int places(struct sim_card *card, struct pci_dev *function,
			   const struct sim_type *type, unsigned int *first)
{
	unsigned int size = type->framebuffer, count = 0, i;

	lockdep_assert_held(&cards_lock);
	if (!may_have(card, function, type))
		return 0;
	for (i = 0; i < sim_card_max(type); i++)
		if (is_free(card, i * size, (i + 1) * size) && !count++)
			*first = i * size;
	return function->is_virtfn ? min(count, 1U) : count;
}

/* Say how many more vGPUs of a type a function could have now. */
unsigned int sim_card_room(struct sim_card *card, struct pci_dev *function,
			   const struct sim_type *type)
{
	unsigned int count, first;

	mutex_lock(&cards_lock);
	count = places(card, function, type, &first);
	mutex_unlock(&cards_lock);
	return count;
}

/* Make a vGPU, or say EIO, as NVIDIA's driver does, if there is no room. */
struct sim_vgpu *sim_card_make(struct sim_card *card, struct pci_dev *function,
			       const struct sim_type *type)
{
	struct sim_vgpu *vgpu;

	vgpu = kzalloc(sizeof(*vgpu), GFP_KERNEL);
	if (!vgpu)
		return ERR_PTR(-ENOMEM);
	vgpu->card = card;
	vgpu->function = function;
	vgpu->type = type;

	mutex_lock(&cards_lock);
	if (places(card, function, type, &vgpu->start)) {
		list_add(&vgpu->entry, &card->vgpus);
	} else {
		pci_err(function, "no room for a %s (type %u)\n", type->name,
			type->number);
		kfree(vgpu);
		vgpu = ERR_PTR(-EIO);
	}
	mutex_unlock(&cards_lock);
	return vgpu;
}

void sim_card_remove(struct sim_vgpu *vgpu)
{
	mutex_lock(&cards_lock);
	list_del(&vgpu->entry);
	mutex_unlock(&cards_lock);
	kfree(vgpu);
}
