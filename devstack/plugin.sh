# DevStack plugin: nova-compute with the GPUs of its host.
#
# DevStack starts $NOVA_BIN_DIR/nova-compute by that name, so the driver is
# linked to where Nova's loader looks, instead of using our launcher.

function _gpuvirt_link {
    "$PYTHON" -c 'import nova.virt; print(nova.virt.__path__[0])' |
        sed 's#$#/gpuvirt.py#'
}

function install_gpuvirt {
    setup_develop "$GPUVIRT_DIR"
    ln -sf "$GPUVIRT_DIR/nova_gpuvirt/novavirt/gpuvirt.py" "$(_gpuvirt_link)"
}

function configure_gpuvirt {
    iniset "$NOVA_CPU_CONF" DEFAULT compute_driver gpuvirt.GpuLibvirtDriver
    iniset "$NOVA_CPU_CONF" gpuvirt sysfs_root "$GPUVIRT_SYSFS_ROOT"
}

function cleanup_gpuvirt {
    rm -f "$(_gpuvirt_link)"
}

if is_service_enabled n-cpu; then
    case "$1 $2" in
        'stack install') install_gpuvirt ;;
        'stack post-config') configure_gpuvirt ;;
        'clean '*) cleanup_gpuvirt ;;
    esac
fi
