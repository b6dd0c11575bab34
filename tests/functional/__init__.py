# Nova's package decides between eventlet and native threads when it is
# imported (OS_NOVA_DISABLE_EVENTLET_PATCHING=1 chooses threads), and refuses
# to if anything else of Nova came before.
import nova.tests.functional
