"""Lists of nodes and tasks that others wrote are read, or refused clearly."""

import pathlib
import tempfile
import unittest

from benchmarks import trace

NODES = 'sn,cpu_milli,memory_mib,gpu,model\n'
TASKS = 'name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n'


class TraceTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / 'list.csv'

    def written(self, text):
        self.path.write_text(text)
        return self.path

    def refused(self, read, text, *named):
        with self.assertRaises(trace.Unreadable) as raised:
            read(self.written(text))
        for each in (str(self.path), *named):
            self.assertIn(each, str(raised.exception))

    def test_tasks_and_nodes_are_read(self):
        (task,) = trace.tasks(self.written(f'{TASKS}a,1,2,1,500,T4|P100\n'))
        self.assertEqual(
            trace.Task(1, 2, 1, 500, frozenset({'T4', 'P100'})), task
        )
        (node,) = trace.nodes(self.written(f'{NODES}n,1,2,8,T4\n'))
        self.assertEqual(trace.Node('n', 1, 2, 8, 'T4'), node)

    def test_a_list_of_tasks_without_models_means_any(self):
        (task,) = trace.tasks(
            self.written(
                'name,cpu_milli,memory_mib,num_gpu,gpu_milli\na,1,2,1,500\n'
            )
        )
        self.assertEqual(frozenset(), task.models)

    def test_tasks_of_which_none_is_for_a_gpu_are_refused(self):
        """They would come again and again, and never fill a card."""
        self.refused(trace.tasks, f'{TASKS}a,1,2,0,0,\n', 'none')

    def test_nodes_of_which_none_has_a_card_are_refused(self):
        self.refused(trace.nodes, f'{NODES}n,1,2,0,\n', 'none')

    def test_a_column_that_is_missing_is_named_beside_those_found(self):
        for read, header, column in (
            (trace.nodes, NODES, 'sn'),
            (trace.nodes, NODES, 'gpu'),
            (trace.nodes, NODES, 'model'),
            (trace.tasks, TASKS, 'cpu_milli'),
            (trace.tasks, TASKS, 'num_gpu'),
            (trace.tasks, TASKS, 'gpu_milli'),
        ):
            found = [c for c in header.strip().split(',') if c != column]
            with self.subTest(column=column):
                self.refused(
                    read,
                    ','.join(found) + '\n' + '1,' * (len(found) - 1) + '1\n',
                    f'column {column}',
                    ', '.join(found),
                )
        self.refused(
            lambda path: trace.published(path, (80,)),
            'workload,policy\na,b\n',
            'column at_80_percent_arrived',
            'workload, policy',
        )

    def test_what_is_no_number_is_named_with_its_line(self):
        for row, column, value in (
            ('a,x,2,1,500,', 'cpu_milli', "'x'"),
            ('a,1,,1,500,', 'memory_mib', "''"),
            ('a,1,2,1.5,500,', 'num_gpu', "'1.5'"),
            ('a,1,2,1,-1,', 'gpu_milli', "'-1'"),
            ('a,1,2,1', 'gpu_milli', 'nothing'),
        ):
            with self.subTest(row=row):
                self.refused(
                    trace.tasks,
                    f'{TASKS}a,1,2,1,500,\n{row}\n',
                    f'{self.path}:3',
                    column,
                    value,
                )
        self.refused(
            lambda path: trace.published(path, (80,)),
            'workload,policy,at_80_percent_arrived\na,b,many\n',
            f'{self.path}:2',
            "'many'",
        )

    def test_a_share_of_several_cards_is_no_task(self):
        for row in ('a,1,2,2,500,', 'a,1,2,1,1001,', 'a,1,2,1,0,'):
            with self.subTest(row=row):
                self.refused(trace.tasks, f'{TASKS}{row}\n', f'{self.path}:2')

    def test_a_list_of_nothing_is_refused(self):
        for text in ('', NODES):
            with self.subTest(text=text):
                self.refused(trace.nodes, text, 'empty')
        self.refused(trace.tasks, TASKS, 'empty')

    def test_what_is_no_text_or_not_there_is_refused(self):
        self.path.write_bytes(b'\xff\xfe\x00sn')
        with self.assertRaisesRegex(trace.Unreadable, 'list.csv'):
            trace.nodes(self.path)
        with self.assertRaisesRegex(trace.Unreadable, 'missing.csv'):
            trace.tasks(self.path.with_name('missing.csv'))

    def test_models_that_no_node_has_are_named(self):
        nodes = trace.nodes(self.written(f'{NODES}n,1,2,8,T4\n'))
        tasks = trace.tasks(self.written(f'{TASKS}a,1,2,1,500,T4|B9\n'))
        trace.check_models(self.path, tasks, nodes)
        tasks = trace.tasks(self.written(f'{TASKS}a,1,2,1,500,B9|B7\n'))
        with self.assertRaises(trace.Unreadable) as raised:
            trace.check_models(self.path, tasks, nodes)
        for each in (str(self.path), 'B7, B9', 'T4'):
            self.assertIn(each, str(raised.exception))
