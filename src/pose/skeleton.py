"""The skeleton: joints, limbs, network channels, mirror pairs and the COCO order. The one source of all of them."""

from __future__ import annotations

from enum import IntEnum


class JointType(IntEnum):
    """The 18 joints in the order of the heatmap channels and of every keypoint array."""

    Nose = 0
    Neck = 1
    RightShoulder = 2
    RightElbow = 3
    RightHand = 4
    LeftShoulder = 5
    LeftElbow = 6
    LeftHand = 7
    RightWaist = 8
    RightKnee = 9
    RightFoot = 10
    LeftWaist = 11
    LeftKnee = 12
    LeftFoot = 13
    RightEye = 14
    LeftEye = 15
    RightEar = 16
    LeftEar = 17


J = JointType

#: (from, to) of each limb; limb i owns PAF channels 2i (x) and 2i + 1 (y), the unit vector from `from` to `to`.
LIMBS: tuple[tuple[JointType, JointType], ...] = (
    (J.Neck, J.RightWaist),
    (J.RightWaist, J.RightKnee),
    (J.RightKnee, J.RightFoot),
    (J.Neck, J.LeftWaist),
    (J.LeftWaist, J.LeftKnee),
    (J.LeftKnee, J.LeftFoot),
    (J.Neck, J.RightShoulder),
    (J.RightShoulder, J.RightElbow),
    (J.RightElbow, J.RightHand),
    (J.RightShoulder, J.RightEar),
    (J.Neck, J.LeftShoulder),
    (J.LeftShoulder, J.LeftElbow),
    (J.LeftElbow, J.LeftHand),
    (J.LeftShoulder, J.LeftEar),
    (J.Neck, J.Nose),
    (J.Nose, J.RightEye),
    (J.Nose, J.LeftEye),
    (J.RightEye, J.RightEar),
    (J.LeftEye, J.LeftEar),
)

#: Limbs that only confirm a person and never start one (shoulder to ear crosses the neck of others).
CONFIRMING_LIMBS: frozenset[int] = frozenset({9, 13})

JOINT_COUNT = len(JointType)  # 18
LIMB_COUNT = len(LIMBS)  # 19
HEATMAP_CHANNELS = JOINT_COUNT + 1  # 18 joints, then the background
PAF_CHANNELS = 2 * LIMB_COUNT  # 38
BACKGROUND_CHANNEL = JOINT_COUNT

#: The 17 COCO keypoints in COCO's order, as joints; the neck is the only joint COCO does not have.
COCO_ORDER: tuple[JointType, ...] = (
    J.Nose,
    J.LeftEye,
    J.RightEye,
    J.LeftEar,
    J.RightEar,
    J.LeftShoulder,
    J.RightShoulder,
    J.LeftElbow,
    J.RightElbow,
    J.LeftHand,
    J.RightHand,
    J.LeftWaist,
    J.RightWaist,
    J.LeftKnee,
    J.RightKnee,
    J.LeftFoot,
    J.RightFoot,
)

COCO_KEYPOINT_NAMES: tuple[str, ...] = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)


def _mirror(joint: JointType) -> JointType:
    if joint.name.startswith("Right"):
        return JointType["Left" + joint.name[len("Right") :]]
    if joint.name.startswith("Left"):
        return JointType["Right" + joint.name[len("Left") :]]
    return joint


#: MIRROR[j] is the joint that j becomes when the picture is flipped left to right.
MIRROR: tuple[JointType, ...] = tuple(_mirror(joint) for joint in JointType)
