"""Answers of the platform's training API in the form of its reference's examples, with values of our own.

A job's details, the list of jobs, the preset engines, the flavours, and an error.
"""

from __future__ import annotations

from typing import Any

JOB_ID = "3faf5c03-aaa1-4cbe-879d-24b05d997347"

JOB: dict[str, Any] = {
    "kind": "job",
    "metadata": {
        "id": JOB_ID,
        "name": "fence_job",
        "description": "",
        "create_time": 1636447346315,
        "workspace_id": "0",
        "user_name": "",
        "annotations": {"job_template": "Template DL", "key_task": "worker"},
    },
    "status": {
        "phase": "Failed",
        "secondary_phase": "Failed",
        "duration": 61000,
        "start_time": 1636447347000,
        "node_count_metrics": [[1636447746000, 0], [1636447755000, 2]],
        "tasks": ["worker-0", "worker-1"],
        "task_statuses": [{"task": "worker-1", "exit_code": 137, "message": "OOMKilled"}],
        "running_records": [
            {
                "start_at": 1701327093,
                "end_at": 1701322341,
                "start_type": "init_or_rescheduled",
                "end_recover": "job_reschedule",
                "end_reason": "exit with 127",
                "end_related_task": "worker-1",
            }
        ],
    },
    "algorithm": {
        "code_dir": "obs://bucket/jobs/code/",
        "boot_file": "obs://bucket/jobs/code/test_tmp.py",
        "parameters": [
            {
                "name": "target_action_type",
                "value": "climb_over_fence",
                "description": "",
                "constraint": {
                    "type": "String",
                    "editable": True,
                    "required": True,
                    "sensitive": False,
                    "valid_type": "None",
                    "valid_range": [],
                },
                "i18n_description": {"language": "", "description": ""},
            }
        ],
        "parameters_customization": True,
        "inputs": [
            {
                "name": "data_url",
                "local_dir": "/home/ma-user/modelarts/inputs/data_url_0",
                "remote": {"obs": {"obs_url": "/bucket/data/"}},
            }
        ],
        "outputs": [
            {
                "name": "train_url",
                "local_dir": "/home/ma-user/modelarts/outputs/train_url_0",
                "remote": {"obs": {"obs_url": "/bucket/output/"}},
                "mode": "upload_periodically",
                "period": 30,
            }
        ],
        "engine": {
            "engine_id": "mindspore-1",
            "engine_name": "Ascend-Powered-Engine",
            "engine_version": "mindspore_2.7.1",
        },
        "environments": [{"MOX_SILENT_MODE": "1"}],
    },
    "spec": {
        "resource": {
            "policy": "regular",
            "flavor_id": "modelarts.bm.npu.arm.8snt9b.d",
            "node_count": 2,
            "flavor_detail": {
                "flavor_type": "Ascend",
                "billing": {"code": "modelarts.bm", "unit_num": 1},
                "flavor_info": {
                    "cpu": {"arch": "arm", "core_num": 192},
                    "npu": {"unit_num": "8", "product_name": "ascend-snt9b", "memory": "64GB"},
                    "memory": {"size": 1536, "unit": "GB"},
                },
            },
        },
        "log_export_path": {"obs_url": "/bucket/log/"},
        "is_hosted_log": False,
    },
}

LIST: dict[str, Any] = {
    "total": 1,
    "count": 1,
    "limit": 50,
    "offset": 0,
    "sort_by": "create_time",
    "order": "desc",
    "group_by": "",
    "workspace_id": "0",
    "ai_project": "default-ai-project",
    "items": [JOB],
}

ENGINES: dict[str, Any] = {
    "total": 2,
    "items": [
        {
            "engine_id": "mindspore-1",
            "engine_name": "Ascend-Powered-Engine",
            "engine_version": "mindspore_2.7.1",
            "v1_compatible": False,
            "run_user": "1000",
            "image_info": {"cpu_image_url": "", "gpu_image_url": "aip/mindspore:1", "image_version": "1"},
        },
        {"engine_id": "horovod-1", "engine_name": "Horovod", "engine_version": "", "v1_compatible": True},
    ],
}

FLAVOURS: dict[str, Any] = {
    "total_count": 2,
    "flavors": [
        {
            "flavor_id": "modelarts.bm.npu.arm.8snt9b.d",
            "flavor_name": "Computing NPU instance",
            "flavor_type": "Ascend",
            "billing": {"code": "modelarts.bm", "unit_num": 1},
            "flavor_info": JOB["spec"]["resource"]["flavor_detail"]["flavor_info"],
            "attributes": {"data_format": ["Dataset"], "is_free": "false", "max_free_job_count": "0"},
        },
        {"flavor_id": "modelarts.kat1.xlarge", "flavor_name": "Ascend 1x", "flavor_type": "Ascend"},
    ],
}

ERROR: dict[str, Any] = {
    "error_msg": "The job name is in use.",
    "error_code": "ModelArts.2763",
    "error_solution": "Choose another name.",
}
