// SPDX-License-Identifier: GPL-2.0
/*
 * The PF whose VFs exist from the moment that the driver has it, as with
 * AMD's GIM. It has no sriov_configure, so a write to sriov_numvfs fails with
 * ENOENT.
 */
#include <linux/minmax.h>
#include <linux/module.h>

#include "gpuvirt_sim.h"

static unsigned int vf_num;
module_param(vf_num, uint, 0444);
MODULE_PARM_DESC(vf_num, "VFs of a PF, 0 for as many as it can have (default: 0)");

static int sim_pf_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int total = pci_sriov_get_totalvfs(pdev);
	int ret;

	if (!total) {
		pci_err(pdev, "it can have no virtual functions\n");
		return -ENODEV;
	}
	ret = pci_enable_device(pdev);
	if (ret)
		return ret;
	pci_set_master(pdev);
	ret = pci_enable_sriov(pdev, vf_num ? min_t(int, vf_num, total) : total);
	if (ret)
		pci_disable_device(pdev);
	return ret;
}

static void sim_pf_remove(struct pci_dev *pdev)
{
	pci_disable_sriov(pdev);
	pci_disable_device(pdev);
}

struct pci_driver sim_pf_driver = {
	.name = "gpuvirt_sim_pf",
	.probe = sim_pf_probe,
	.remove = sim_pf_remove,
};
