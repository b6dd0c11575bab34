// SPDX-License-Identifier: GPL-2.0
/*
 * The mdev: a vGPU that a guest sees as a PCI device of its card's vendor,
 * with a device id that none of QEMU's has. Its subsystem id is the number of
 * its type. It has one BAR, where what is written can be read again, and no
 * interrupts.
 */
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/uaccess.h>
#include <linux/unaligned.h>
#include <linux/vfio.h>

#include "gpuvirt_sim.h"

#define SIM_DEVICE 0x5349
#define SIM_BAR_SIZE 4096U

/* A file's offset is a region's index and the offset in it. */
#define SIM_REGION_SHIFT 40
#define SIM_REGION_MASK GENMASK_ULL(SIM_REGION_SHIFT - 1, 0)

struct sim_mdev {
	struct vfio_device vdev;
	struct sim_vgpu *vgpu;
	/* Guards what follows. */
	struct mutex lock;
	u8 config[PCI_CFG_SPACE_SIZE];
	u8 bar[SIM_BAR_SIZE];
};

/* The bits of the configuration space that a guest can change. */
static const u8 writable[PCI_CFG_SPACE_SIZE] = {
	[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
	[PCI_COMMAND + 1] = PCI_COMMAND_INTX_DISABLE >> 8,
	[PCI_BASE_ADDRESS_0 + 1] = (u8)~((SIM_BAR_SIZE - 1) >> 8),
	[PCI_BASE_ADDRESS_0 + 2] = 0xff,
	[PCI_BASE_ADDRESS_0 + 3] = 0xff,
	[PCI_INTERRUPT_LINE] = 0xff,
};

static struct sim_mdev *to_sim(struct vfio_device *vdev)
{
	return container_of(vdev, struct sim_mdev, vdev);
}

static void reset(struct sim_mdev *sim)
{
	u16 vendor = sim->vgpu->function->vendor;

	mutex_lock(&sim->lock);
	memset(sim->config, 0, sizeof(sim->config));
	memset(sim->bar, 0, sizeof(sim->bar));
	put_unaligned_le16(vendor, &sim->config[PCI_VENDOR_ID]);
	put_unaligned_le16(SIM_DEVICE, &sim->config[PCI_DEVICE_ID]);
	put_unaligned_le16(PCI_CLASS_DISPLAY_3D,
			   &sim->config[PCI_CLASS_DEVICE]);
	put_unaligned_le16(vendor, &sim->config[PCI_SUBSYSTEM_VENDOR_ID]);
	put_unaligned_le16(sim->vgpu->type->number,
			   &sim->config[PCI_SUBSYSTEM_ID]);
	mutex_unlock(&sim->lock);
}

static size_t region_size(unsigned int index)
{
	switch (index) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		return SIM_BAR_SIZE;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return PCI_CFG_SPACE_SIZE;
	default:
		return 0;
	}
}

/* Find what a file's offset means, and how much of count is there. */
static ssize_t locate(struct sim_mdev *sim, loff_t pos, size_t count, u8 **at,
		      const u8 **mask)
{
	unsigned int index = pos >> SIM_REGION_SHIFT;
	size_t offset = pos & SIM_REGION_MASK;
	size_t size = region_size(index);

	if (offset >= size)
		return -EINVAL;
	if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
		*at = sim->config + offset;
		*mask = writable + offset;
	} else {
		*at = sim->bar + offset;
		*mask = NULL;
	}
	return min(count, size - offset);
}

static ssize_t sim_mdev_read(struct vfio_device *vdev, char __user *buf,
			     size_t count, loff_t *ppos)
{
	struct sim_mdev *sim = to_sim(vdev);
	const u8 *mask;
	ssize_t length;
	u8 *at;

	length = locate(sim, *ppos, count, &at, &mask);
	if (length < 0)
		return length;
	mutex_lock(&sim->lock);
	if (copy_to_user(buf, at, length))
		length = -EFAULT;
	mutex_unlock(&sim->lock);
	if (length > 0)
		*ppos += length;
	return length;
}

static ssize_t sim_mdev_write(struct vfio_device *vdev, const char __user *buf,
			      size_t count, loff_t *ppos)
{
	struct sim_mdev *sim = to_sim(vdev);
	const u8 *mask;
	ssize_t length, i;
	u8 *at, byte;

	length = locate(sim, *ppos, count, &at, &mask);
	if (length < 0)
		return length;
	mutex_lock(&sim->lock);
	for (i = 0; i < length; i++) {
		if (get_user(byte, buf + i)) {
			length = -EFAULT;
			break;
		}
		if (mask)
			byte = (at[i] & ~mask[i]) | (byte & mask[i]);
		at[i] = byte;
	}
	mutex_unlock(&sim->lock);
	if (length > 0)
		*ppos += length;
	return length;
}

static long get_info(void __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info info;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	info.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = VFIO_PCI_NUM_REGIONS;
	info.num_irqs = VFIO_PCI_NUM_IRQS;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static long get_region_info(void __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_region_info, offset);
	struct vfio_region_info info;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz || info.index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	info.size = region_size(info.index);
	info.offset = (u64)info.index << SIM_REGION_SHIFT;
	info.flags = 0;
	if (info.size)
		info.flags = VFIO_REGION_INFO_FLAG_READ |
			     VFIO_REGION_INFO_FLAG_WRITE;
	info.cap_offset = 0;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static long get_irq_info(void __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_irq_info, count);
	struct vfio_irq_info info;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz || info.index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	info.flags = 0;
	info.count = 0;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static long sim_mdev_ioctl(struct vfio_device *vdev, unsigned int cmd,
			   unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return get_info(user);
	case VFIO_DEVICE_GET_REGION_INFO:
		return get_region_info(user);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return get_irq_info(user);
	case VFIO_DEVICE_RESET:
		reset(to_sim(vdev));
		return 0;
	default:
		return -ENOTTY;
	}
}

static int sim_mdev_init(struct vfio_device *vdev)
{
	mutex_init(&to_sim(vdev)->lock);
	return 0;
}

static void sim_mdev_release(struct vfio_device *vdev)
{
	mutex_destroy(&to_sim(vdev)->lock);
}

/* Whoever opens it finds nothing of whoever had it before. */
static int sim_mdev_open(struct vfio_device *vdev)
{
	reset(to_sim(vdev));
	return 0;
}

static void sim_mdev_close(struct vfio_device *vdev)
{
}

static const struct vfio_device_ops sim_mdev_ops = {
	.name = "gpuvirt_sim_vgpu",
	.init = sim_mdev_init,
	.release = sim_mdev_release,
	.open_device = sim_mdev_open,
	.close_device = sim_mdev_close,
	.read = sim_mdev_read,
	.write = sim_mdev_write,
	.ioctl = sim_mdev_ioctl,
	.bind_iommufd = vfio_iommufd_emulated_bind,
	.unbind_iommufd = vfio_iommufd_emulated_unbind,
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
};

static int sim_mdev_probe(struct mdev_device *mdev)
{
	struct sim_vgpu *vgpu;
	struct sim_mdev *sim;
	int ret;

	vgpu = sim_parent_make(mdev->type);
	if (IS_ERR(vgpu))
		return PTR_ERR(vgpu);
	sim = vfio_alloc_device(sim_mdev, vdev, &mdev->dev, &sim_mdev_ops);
	if (IS_ERR(sim)) {
		ret = PTR_ERR(sim);
		goto remove_vgpu;
	}
	sim->vgpu = vgpu;
	dev_set_drvdata(&mdev->dev, sim);
	ret = vfio_register_emulated_iommu_dev(&sim->vdev);
	if (ret)
		goto put_device;
	return 0;

put_device:
	vfio_put_device(&sim->vdev);
remove_vgpu:
	sim_card_remove(vgpu);
	return ret;
}

static void sim_mdev_remove(struct mdev_device *mdev)
{
	struct sim_mdev *sim = dev_get_drvdata(&mdev->dev);

	/* Waits until nobody has it open. */
	vfio_unregister_group_dev(&sim->vdev);
	sim_card_remove(sim->vgpu);
	vfio_put_device(&sim->vdev);
}

static ssize_t sim_mdev_show_description(struct mdev_type *mtype, char *buf)
{
	const struct sim_type *type = sim_parent_type(mtype);

	return sysfs_emit(buf,
			  "num_heads=%u, frl_config=%u, framebuffer=%uM, max_resolution=%s, max_instance=%u\n",
			  type->heads, type->frl, type->framebuffer,
			  type->resolution, sim_card_max(type));
}

struct mdev_driver sim_mdev_driver = {
	.device_api = VFIO_DEVICE_API_PCI_STRING,
	.probe = sim_mdev_probe,
	.remove = sim_mdev_remove,
	.get_available = sim_parent_room,
	.show_description = sim_mdev_show_description,
	.driver = {
		.name = "gpuvirt_sim_vgpu",
		.owner = THIS_MODULE,
	},
};
