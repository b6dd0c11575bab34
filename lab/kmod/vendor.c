// SPDX-License-Identifier: GPL-2.0
/*
 * The vendor's VFIO driver: a VF that becomes a vGPU when the number of a
 * type is written to nvidia/current_vgpu_type, as NVIDIA's driver has it on
 * kernels since 6.8. What reaches a guest is the VF itself, through
 * vfio-pci-core.
 */
#include <linux/mutex.h>
#include <linux/vfio_pci_core.h>

#include "gpuvirt_sim.h"

struct sim_vf {
	struct vfio_pci_core_device core;
	struct sim_card *card;
	/* Guards what follows. */
	struct mutex lock;
	struct sim_vgpu *vgpu;
	bool opened;
};

static struct sim_vf *to_vf(struct vfio_device *vdev)
{
	return container_of(vdev, struct sim_vf, core.vdev);
}

static struct sim_vf *dev_to_vf(struct device *dev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(dev);

	return container_of(core, struct sim_vf, core);
}

static ssize_t creatable_vgpu_types_show(struct device *dev,
					 struct device_attribute *attr,
					 char *buf)
{
	struct sim_vf *vf = dev_to_vf(dev);
	int i, length = 0;

	for (i = 0; i < SIM_NR_TYPES; i++) {
		const struct sim_type *type = &sim_types[i];

		if (!sim_card_room(vf->card, vf->core.pdev, type))
			continue;
		if (!length)
			length = sysfs_emit(buf, "ID    : vGPU Name\n");
		length += sysfs_emit_at(buf, length, "%-5d : %s\n",
					type->number, type->name);
	}
	return length;
}
static DEVICE_ATTR_RO(creatable_vgpu_types);

static ssize_t current_vgpu_type_show(struct device *dev,
				      struct device_attribute *attr, char *buf)
{
	struct sim_vf *vf = dev_to_vf(dev);
	unsigned int number;

	mutex_lock(&vf->lock);
	number = vf->vgpu ? vf->vgpu->type->number : 0;
	mutex_unlock(&vf->lock);
	return sysfs_emit(buf, "%u\n", number);
}

static int make(struct sim_vf *vf, unsigned int number)
{
	const struct sim_type *type = sim_type_find(number);
	struct sim_vgpu *vgpu;

	if (vf->vgpu)
		return -EPERM;
	if (!type) {
		pci_err(vf->core.pdev, "no type has the number %u\n", number);
		return -EIO;
	}
	vgpu = sim_card_make(vf->card, vf->core.pdev, type);
	if (IS_ERR(vgpu))
		return PTR_ERR(vgpu);
	vf->vgpu = vgpu;
	return 0;
}

static int unmake(struct sim_vf *vf)
{
	if (!vf->vgpu)
		return -EPERM;
	if (vf->opened)
		return -EBUSY;
	sim_card_remove(vf->vgpu);
	vf->vgpu = NULL;
	return 0;
}

static ssize_t current_vgpu_type_store(struct device *dev,
				       struct device_attribute *attr,
				       const char *buf, size_t count)
{
	struct sim_vf *vf = dev_to_vf(dev);
	unsigned int number;
	int ret;

	if (kstrtouint(buf, 10, &number))
		return -EINVAL;
	mutex_lock(&vf->lock);
	ret = number ? make(vf, number) : unmake(vf);
	mutex_unlock(&vf->lock);
	return ret ?: count;
}
static DEVICE_ATTR_RW(current_vgpu_type);

static struct attribute *nvidia_attrs[] = {
	&dev_attr_creatable_vgpu_types.attr,
	&dev_attr_current_vgpu_type.attr,
	NULL,
};

static const struct attribute_group nvidia_group = {
	.name = "nvidia",
	.attrs = nvidia_attrs,
};

static const struct attribute_group *nvidia_groups[] = {
	&nvidia_group,
	NULL,
};

static int sim_vf_open(struct vfio_device *vdev)
{
	struct sim_vf *vf = to_vf(vdev);
	int ret = -ENODEV;

	mutex_lock(&vf->lock);
	if (vf->vgpu)
		ret = vfio_pci_core_enable(&vf->core);
	else
		pci_err(vf->core.pdev, "current_vgpu_type is not configured\n");
	vf->opened = !ret;
	mutex_unlock(&vf->lock);
	if (ret)
		return ret;
	vfio_pci_core_finish_enable(&vf->core);
	return 0;
}

static void sim_vf_close(struct vfio_device *vdev)
{
	struct sim_vf *vf = to_vf(vdev);

	vfio_pci_core_close_device(vdev);
	mutex_lock(&vf->lock);
	vf->opened = false;
	mutex_unlock(&vf->lock);
}

static int sim_vf_init(struct vfio_device *vdev)
{
	mutex_init(&to_vf(vdev)->lock);
	return vfio_pci_core_init_dev(vdev);
}

static void sim_vf_release(struct vfio_device *vdev)
{
	vfio_pci_core_release_dev(vdev);
	mutex_destroy(&to_vf(vdev)->lock);
}

static const struct vfio_device_ops sim_vf_ops = {
	.name = "gpuvirt_sim_vendor",
	.init = sim_vf_init,
	.release = sim_vf_release,
	.open_device = sim_vf_open,
	.close_device = sim_vf_close,
	.ioctl = vfio_pci_core_ioctl,
	.device_feature = vfio_pci_core_ioctl_feature,
	.read = vfio_pci_core_read,
	.write = vfio_pci_core_write,
	.mmap = vfio_pci_core_mmap,
	.request = vfio_pci_core_request,
	.match = vfio_pci_core_match,
	.bind_iommufd = vfio_iommufd_physical_bind,
	.unbind_iommufd = vfio_iommufd_physical_unbind,
	.attach_ioas = vfio_iommufd_physical_attach_ioas,
	.detach_ioas = vfio_iommufd_physical_detach_ioas,
};

static int sim_vendor_probe(struct pci_dev *pdev,
			    const struct pci_device_id *id)
{
	struct sim_vf *vf;
	int ret;

	if (!pdev->is_virtfn) {
		pci_err(pdev, "only a virtual function can become a vGPU\n");
		return -ENODEV;
	}
	vf = vfio_alloc_device(sim_vf, core.vdev, &pdev->dev, &sim_vf_ops);
	if (IS_ERR(vf))
		return PTR_ERR(vf);
	vf->card = sim_card_get(pdev);
	if (!vf->card) {
		ret = -ENOMEM;
		goto put_device;
	}
	/* vfio-pci-core wants its own part there. */
	dev_set_drvdata(&pdev->dev, &vf->core);
	ret = vfio_pci_core_register_device(&vf->core);
	if (ret)
		goto put_card;
	return 0;

put_card:
	sim_card_put(vf->card);
put_device:
	vfio_put_device(&vf->core.vdev);
	return ret;
}

/* What the VF was is forgotten, as when the real driver is unloaded. */
static void sim_vendor_remove(struct pci_dev *pdev)
{
	struct sim_vf *vf = dev_to_vf(&pdev->dev);

	/* Waits until nobody has it open. */
	vfio_pci_core_unregister_device(&vf->core);
	if (vf->vgpu)
		sim_card_remove(vf->vgpu);
	sim_card_put(vf->card);
	vfio_put_device(&vf->core.vdev);
}

struct pci_driver sim_vendor_driver = {
	.name = "gpuvirt_sim_vendor",
	.probe = sim_vendor_probe,
	.remove = sim_vendor_remove,
	.dev_groups = nvidia_groups,
	.err_handler = &vfio_pci_core_err_handlers,
	.driver_managed_dma = true,
};
