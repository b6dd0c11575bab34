// SPDX-License-Identifier: GPL-2.0
/*
 * The mdev parent: a card, or a VF of one, that offers types of vGPU as
 * NVIDIA's driver did before it made vGPUs through VFIO itself.
 */
#include <linux/slab.h>

#include "gpuvirt_sim.h"

struct sim_parent_type {
	struct mdev_type mtype;
	const struct sim_type *type;
	char group[8];
};

struct sim_parent {
	struct mdev_parent parent;
	struct pci_dev *pdev;
	struct sim_card *card;
	struct sim_parent_type types[SIM_NR_TYPES];
	struct mdev_type *mtypes[SIM_NR_TYPES];
};

static struct sim_parent *to_parent(struct mdev_type *mtype)
{
	return container_of(mtype->parent, struct sim_parent, parent);
}

/* Give the type of vGPU that an mdev type stands for. */
const struct sim_type *sim_parent_type(struct mdev_type *mtype)
{
	return container_of(mtype, struct sim_parent_type, mtype)->type;
}

/* Say how many more mdevs of a type there could be now. */
unsigned int sim_parent_room(struct mdev_type *mtype)
{
	struct sim_parent *parent = to_parent(mtype);

	return sim_card_room(parent->card, parent->pdev,
			     sim_parent_type(mtype));
}

/* Make the vGPU that an mdev is. */
struct sim_vgpu *sim_parent_make(struct mdev_type *mtype)
{
	struct sim_parent *parent = to_parent(mtype);

	return sim_card_make(parent->card, parent->pdev,
			     sim_parent_type(mtype));
}

static int sim_parent_probe(struct pci_dev *pdev,
			    const struct pci_device_id *id)
{
	struct sim_parent *parent;
	int i, ret;

	parent = kzalloc(sizeof(*parent), GFP_KERNEL);
	if (!parent)
		return -ENOMEM;
	parent->pdev = pdev;
	parent->card = sim_card_get(pdev);
	if (!parent->card) {
		ret = -ENOMEM;
		goto free_parent;
	}
	for (i = 0; i < SIM_NR_TYPES; i++) {
		struct sim_parent_type *entry = &parent->types[i];

		entry->type = &sim_types[i];
		snprintf(entry->group, sizeof(entry->group), "%u",
			 entry->type->number);
		entry->mtype.sysfs_name = entry->group;
		entry->mtype.pretty_name = entry->type->name;
		parent->mtypes[i] = &entry->mtype;
	}
	pci_set_drvdata(pdev, parent);
	ret = mdev_register_parent(&parent->parent, &pdev->dev,
				   &sim_mdev_driver, parent->mtypes,
				   SIM_NR_TYPES);
	if (ret)
		goto put_card;
	return 0;

put_card:
	sim_card_put(parent->card);
free_parent:
	kfree(parent);
	return ret;
}

static void sim_parent_remove(struct pci_dev *pdev)
{
	struct sim_parent *parent = pci_get_drvdata(pdev);

	mdev_unregister_parent(&parent->parent);
	sim_card_put(parent->card);
	kfree(parent);
}

struct pci_driver sim_parent_driver = {
	.name = "gpuvirt_sim_mdev",
	.probe = sim_parent_probe,
	.remove = sim_parent_remove,
};
