# Nova's package decides between eventlet and native threads when it is
# imported (OS_NOVA_DISABLE_EVENTLET_PATCHING=1 chooses threads), and it is too
# late for that once anything else of Nova was imported.
import nova.tests.functional
