#!/usr/bin/env bats
# The scheduler's filter and weigher, where a release has them.

load phase

# Stand on a release with these lines in scheduler/filters.py and weighers.py.
function release_with {
    GPUVIRT_DIR=$BATS_TEST_TMPDIR/release
    local repository
    repository=$(realpath "$BATS_TEST_DIRNAME/../..")
    mkdir -p "$GPUVIRT_DIR/nova_gpuvirt"
    ln -s "$repository/devstack" "$repository/etc" "$GPUVIRT_DIR"
    if [[ -n $1 ]]; then
        mkdir "$GPUVIRT_DIR/nova_gpuvirt/scheduler"
        echo "$1" > "$GPUVIRT_DIR/nova_gpuvirt/scheduler/filters.py"
        echo "$2" > "$GPUVIRT_DIR/nova_gpuvirt/scheduler/weighers.py"
    fi
    set_option enabled_filters ComputeFilter
}

function set_option {
    mkdir -p "$NOVA_CONF.d/filter_scheduler"
    echo "$2" > "$NOVA_CONF.d/filter_scheduler/$1"
}

@test "a release without them sets nothing" {
    release_with ''
    phase stack post-config
    [ "$(ls "$NOVA_CONF.d/filter_scheduler")" = enabled_filters ]
    [ "$(option "$NOVA_CONF" filter_scheduler enabled_filters)" = \
        ComputeFilter ]
}

@test "a release with them adds them to those of Nova" {
    release_with 'class GpuFilter(filters.BaseHostFilter):' \
        'class GpuWeigher(weights.BaseHostWeigher):'
    phase stack post-config
    [ "$(option "$NOVA_CONF" filter_scheduler available_filters)" = \
        'nova.scheduler.filters.all_filters
nova_gpuvirt.scheduler.filters.GpuFilter' ]
    [ "$(option "$NOVA_CONF" filter_scheduler enabled_filters)" = \
        ComputeFilter,GpuFilter ]
    [ "$(option "$NOVA_CONF" filter_scheduler weight_classes)" = \
        "nova.scheduler.weights.all_weighers,\
nova_gpuvirt.scheduler.weighers.GpuWeigher" ]
}

@test "what another plugin set stays" {
    release_with 'class GpuFilter(filters.BaseHostFilter):' \
        'class GpuWeigher(weights.BaseHostWeigher):'
    set_option available_filters other.filters
    set_option weight_classes other.Weigher
    phase stack post-config
    [ "$(option "$NOVA_CONF" filter_scheduler available_filters)" = \
        'other.filters
nova_gpuvirt.scheduler.filters.GpuFilter' ]
    [ "$(option "$NOVA_CONF" filter_scheduler weight_classes)" = \
        other.Weigher,nova_gpuvirt.scheduler.weighers.GpuWeigher ]
}

@test "helper classes are no filters" {
    release_with 'class _BaseFilter(filters.BaseHostFilter):
class Score:
    class InnerFilter(object):' ''
    phase stack post-config
    [ "$(ls "$NOVA_CONF.d/filter_scheduler")" = enabled_filters ]
}

@test "a host without nova-scheduler sets nothing" {
    release_with 'class GpuFilter(filters.BaseHostFilter):' ''
    ENABLED_SERVICES=n-cpu phase stack post-config
    [ "$(ls "$NOVA_CONF.d/filter_scheduler")" = enabled_filters ]
}
