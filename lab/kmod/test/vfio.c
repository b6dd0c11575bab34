// SPDX-License-Identifier: GPL-2.0
/*
 * vfio show|scratch|hold DEVICE: open a device of sysfs as QEMU does, by its
 * group.
 *
 * show prints what it is, scratch how its registers take what is written
 * to them, hold keeps it open until the process is ended. What fails is
 * printed as "<step>: <name of the error>".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/types.h>
#include <linux/vfio.h>

static int check(int result, const char *step)
{
	if (result >= 0)
		return result;
	printf("%s: %s\n", step, strerrorname_np(errno));
	exit(1);
}

static int open_device(char *path)
{
	char link[PATH_MAX], group_link[PATH_MAX], node[64];
	int container, group, length;

	snprintf(link, sizeof(link), "%s/iommu_group", path);
	length = check(readlink(link, group_link, sizeof(group_link) - 1),
		       "iommu_group");
	group_link[length] = '\0';
	snprintf(node, sizeof(node), "/dev/vfio/%s", basename(group_link));

	container = check(open("/dev/vfio/vfio", O_RDWR), "container");
	group = check(open(node, O_RDWR), "group");
	check(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container),
	      "SET_CONTAINER");
	check(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU),
	      "SET_IOMMU");
	return check(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, basename(path)),
		     "GET_DEVICE_FD");
}

static struct vfio_region_info region(int device, unsigned int index)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = index,
	};

	check(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info),
	      "GET_REGION_INFO");
	return info;
}

static __u32 get(int device, unsigned int index, int offset, int size)
{
	__u32 value = 0;

	check(pread(device, &value, size,
		    region(device, index).offset + offset), "read");
	return value;
}

static void put(int device, unsigned int index, int offset, __u32 value)
{
	check(pwrite(device, &value, sizeof(value),
		     region(device, index).offset + offset), "write");
}

static __u32 config(int device, int offset, int size)
{
	return get(device, VFIO_PCI_CONFIG_REGION_INDEX, offset, size);
}

static void show(int device)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int i, count = 0;

	check(ioctl(device, VFIO_DEVICE_GET_INFO, &info), "GET_INFO");
	for (i = 0; i < VFIO_PCI_NUM_IRQS; i++) {
		struct vfio_irq_info irq = {
			.argsz = sizeof(irq),
			.index = i,
		};

		check(ioctl(device, VFIO_DEVICE_GET_IRQ_INFO, &irq),
		      "GET_IRQ_INFO");
		count += irq.count;
	}
	printf("%04x:%04x class %06x subsystem %04x:%04x BAR0 %llu irqs %d\n",
	       config(device, PCI_VENDOR_ID, 2),
	       config(device, PCI_DEVICE_ID, 2),
	       config(device, PCI_CLASS_REVISION, 4) >> 8,
	       config(device, PCI_SUBSYSTEM_VENDOR_ID, 2),
	       config(device, PCI_SUBSYSTEM_ID, 2),
	       (unsigned long long)region(device, 0).size, count);
}

static void scratch(int device)
{
	const unsigned int space = VFIO_PCI_CONFIG_REGION_INDEX;

	printf("found %x", get(device, 0, 16, 4));
	put(device, 0, 16, 0x12345678);
	printf(" took %x", get(device, 0, 16, 4));
	put(device, space, PCI_VENDOR_ID, 0xffffffff);
	put(device, space, PCI_BASE_ADDRESS_0, 0xffffffff);
	printf(" ids %x size %x", config(device, PCI_VENDOR_ID, 4),
	       config(device, PCI_BASE_ADDRESS_0, 4));
	check(ioctl(device, VFIO_DEVICE_RESET), "RESET");
	printf(" reset %x %x\n", get(device, 0, 16, 4),
	       config(device, PCI_BASE_ADDRESS_0, 4));
}

int main(int argc, char **argv)
{
	int device;

	if (argc != 3)
		return 2;
	device = open_device(argv[2]);
	if (!strcmp(argv[1], "show")) {
		show(device);
	} else if (!strcmp(argv[1], "scratch")) {
		scratch(device);
	} else {
		puts("open");
		fflush(stdout);
		pause();
	}
	return 0;
}
