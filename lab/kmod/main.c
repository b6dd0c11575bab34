// SPDX-License-Identifier: GPL-2.0
/*
 * The module: four drivers, one for mdevs and three for PCI functions. These
 * match no ids, so they get only what driver_override names them for.
 */
#include <linux/module.h>

#include "gpuvirt_sim.h"

static char *mdev_driver;
module_param(mdev_driver, charp, 0444);
MODULE_PARM_DESC(mdev_driver, "name of the driver of mdev parents (default: gpuvirt_sim_mdev)");

static char *vendor_driver;
module_param(vendor_driver, charp, 0444);
MODULE_PARM_DESC(vendor_driver, "name of the driver of VFs that become vGPUs (default: gpuvirt_sim_vendor)");

static char *pf_driver;
module_param(pf_driver, charp, 0444);
MODULE_PARM_DESC(pf_driver, "name of the driver of PFs with VFs from the start (default: gpuvirt_sim_pf)");

static struct pci_driver *const pci_drivers[] = {
	&sim_parent_driver,
	&sim_vendor_driver,
	&sim_pf_driver,
};

static void unregister(int count)
{
	while (count--)
		pci_unregister_driver(pci_drivers[count]);
	mdev_unregister_driver(&sim_mdev_driver);
}

static int __init gpuvirt_sim_init(void)
{
	int i, ret;

	ret = sim_card_check();
	if (ret)
		return ret;
	if (mdev_driver)
		sim_parent_driver.name = mdev_driver;
	if (vendor_driver)
		sim_vendor_driver.name = vendor_driver;
	if (pf_driver)
		sim_pf_driver.name = pf_driver;
	ret = mdev_register_driver(&sim_mdev_driver);
	if (ret)
		return ret;
	for (i = 0; i < ARRAY_SIZE(pci_drivers); i++) {
		ret = pci_register_driver(pci_drivers[i]);
		if (ret) {
			unregister(i);
			return ret;
		}
	}
	return 0;
}
module_init(gpuvirt_sim_init);

static void __exit gpuvirt_sim_exit(void)
{
	unregister(ARRAY_SIZE(pci_drivers));
}
module_exit(gpuvirt_sim_exit);

MODULE_DESCRIPTION("Simulation of vendors' GPU virtualization drivers, for tests without a GPU");
MODULE_AUTHOR("nova-gpuvirt contributors");
MODULE_LICENSE("GPL");
